"""The data sets: the sizes, four files and checksums of each, and the name of the custom one."""

from pathlib import Path
from typing import NamedTuple

DIGITS = tuple("0123456789")  # the class names of every data set except the custom one
CUSTOM = "custom"  # a person's own images, in any number, with any classes
WHITE = 255  # the grey level of white; black is 0


class SourceFile(NamedTuple):
    """One of a data set's original files, in the IDX format: its name and md5 sum.

    `content_md5` is the md5 sum of the unpacked content, if it is known.
    """

    name: str
    md5: str
    content_md5: str | None = None

    @property
    def unpacked_name(self) -> str:
        return self.name.removesuffix(".gz")

    def find(self, folder: Path) -> Path:
        """The path of the file in a folder: the packed file, or the unpacked one if only that exists."""
        packed, unpacked = folder / self.name, folder / self.unpacked_name
        return unpacked if unpacked.exists() and not packed.exists() else packed


class Dataset(NamedTuple):
    """A data set of grey images in ten classes, split into training and test images by its authors.

    `torchvision_class` names the class in torchvision.datasets that has the mirrors; None for the bundled digits.
    """

    title: str
    train_size: int
    test_size: int
    train_images: SourceFile
    train_labels: SourceFile
    test_images: SourceFile
    test_labels: SourceFile
    torchvision_class: str | None

    @property
    def files(self) -> tuple[SourceFile, ...]:
        return self.train_images, self.train_labels, self.test_images, self.test_labels


# The sums of the packed files are those of torchvision.datasets (a test compares them). They are repeated here because
# importing torchvision takes seconds, and verifying files that exist already should not.
DATASETS = {
    "mnist": Dataset(
        "MNIST",
        60_000,
        10_000,
        SourceFile(
            "train-images-idx3-ubyte.gz", "f68b3c2dcbeaaa9fbdd348bbdeb94873", "6bbc9ace898e44ae57da46a324031adb"
        ),
        SourceFile(
            "train-labels-idx1-ubyte.gz", "d53e105ee54ea40749a09fcbcd1e9432", "a25bea736e30d166cdddb491f175f624"
        ),
        SourceFile("t10k-images-idx3-ubyte.gz", "9fb629c4189551a2d022fa330f9573f3", "2646ac647ad5339dbf082846283269ea"),
        SourceFile("t10k-labels-idx1-ubyte.gz", "ec29112dd5afa0611ce80d1b7f02629c", "27ae3e4e09519cfbb04c329615203637"),
        "MNIST",
    ),
    "fashion-mnist": Dataset(
        "Fashion-MNIST",
        60_000,
        10_000,
        SourceFile(
            "train-images-idx3-ubyte.gz", "8d4fb7e6c68d591d4c3dfef9ec88bf0d", "f4a8712d7a061bf5bd6d2ca38dc4d50a"
        ),
        SourceFile(
            "train-labels-idx1-ubyte.gz", "25c81989df183df01b3e8a0aad5dffbe", "9018921c3c673c538a1fc5bad174d6f9"
        ),
        SourceFile("t10k-images-idx3-ubyte.gz", "bef4ecab320f06d8554ea6380940ec79", "8181f5470baa50b63fa0f6fddb340f0a"),
        SourceFile("t10k-labels-idx1-ubyte.gz", "bb300cfdad3c16e7a12a480ee83cd310", "15d484375f8d13e6eb1aabb0c3f46965"),
        "FashionMNIST",
    ),
    "kmnist": Dataset(
        "Kuzushiji-MNIST",
        60_000,
        10_000,
        SourceFile("train-images-idx3-ubyte.gz", "bdb82020997e1d708af4cf47b453dcf7"),
        SourceFile("train-labels-idx1-ubyte.gz", "e144d726b3acfaa3e44228e80efcd344"),
        SourceFile("t10k-images-idx3-ubyte.gz", "5c965bf0a639b31b8f53240b1b52f4d7"),
        SourceFile("t10k-labels-idx1-ubyte.gz", "7320c461ea6c1c855c0b718fb2a4b134"),
        "KMNIST",
    ),
    # scikit-learn's bundled digits, written as IDX files by bundled.py. Every fifth image is a test image.
    "digits": Dataset(
        "scikit-learn's digits",
        1_437,
        360,
        SourceFile("train-images-idx3-ubyte", "9bbb77242df3de8094e0e5bc71e2a273"),
        SourceFile("train-labels-idx1-ubyte", "e3d103eeff4cc16fba6e47d7ca81ddf7"),
        SourceFile("t10k-images-idx3-ubyte", "dd12284616d2bbf087ff7f3bd35e2a98"),
        SourceFile("t10k-labels-idx1-ubyte", "c8ce070076285250763567aa89f39252"),
        None,
    ),
}

# MNIST's images as bits, drawn once by Larochelle & Murray 2011 ("The Neural Autoregressive Distribution Estimator"):
# text files of a line for each image, without classes.
LAROCHELLE_FILES = ("binarized_mnist_train.amat", "binarized_mnist_valid.amat", "binarized_mnist_test.amat")
LAROCHELLE_SIZES = (50_000, 10_000, 10_000)
LAROCHELLE_SIDE = 28  # pixels


def dataset_title(name: str) -> str:
    """The data set's name in titles of figures."""
    return "Custom images" if name == CUSTOM else DATASETS[name].title
