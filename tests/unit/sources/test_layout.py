import pytest

from mnist_vae.console.stage import UserError
from mnist_vae.sources.layout import IdxLayout, ImageLayout, find_layout


def _images(*paths: str) -> ImageLayout:
    layout = find_layout(paths, "mine")
    assert isinstance(layout, ImageLayout)
    return layout


def test_folders_are_classes_and_names_decide_the_order() -> None:
    layout = _images("cat/2.png", "cat/3.JPG", "dog/1.webp", "dog/more/4.tif")
    assert layout.class_names == ("cat", "dog")
    assert [(file.path, file.label) for file in layout.images] == [
        ("dog/1.webp", 1),
        ("cat/2.png", 0),
        ("cat/3.JPG", 0),
        ("dog/more/4.tif", 1),
    ]
    assert not layout.has_split


def test_numbers_are_ordered_by_value() -> None:
    assert _images(*(f"{number}/{number}.png" for number in (10, 9, 2))).class_names == ("2", "9", "10")


def test_train_and_test_above_the_classes_are_the_split() -> None:
    layout = _images("train/a/1.png", "test/a/0.png", "train/b/2.png", "test/b/3.png")
    assert layout.has_split
    assert layout.class_names == ("a", "b")
    assert [(file.path, file.is_test) for file in layout.images] == [
        ("train/a/1.png", False),
        ("train/b/2.png", False),
        ("test/a/0.png", True),
        ("test/b/3.png", True),
    ]


def test_images_alone_have_no_classes() -> None:
    assert _images("1.png", "2.png").class_names == ()
    split = _images("train/1.png", "test/2.png")
    assert (split.class_names, split.has_split) == ((), True)


@pytest.mark.parametrize(
    ("train", "test"),
    [
        ("train-images-idx3-ubyte.gz", "t10k-images-idx3-ubyte.gz"),
        ("train-images.idx3-ubyte", "t10k-images.idx3-ubyte"),
        ("emnist-balanced-train-images-idx3-ubyte.gz", "emnist-balanced-test-images-idx3-ubyte.gz"),
    ],
)
def test_idx_files_are_known_by_the_names_of_mnist_like_sets(train: str, test: str) -> None:
    labels = [name.replace("images", "labels").replace("idx3", "idx1") for name in (train, test)]
    assert find_layout([train, test, *labels], "mine") == IdxLayout(train, labels[0], test, labels[1], None)
    assert find_layout([train], "mine") == IdxLayout(train, None, None, None, None)
    assert find_layout([train, labels[0]], "mine") == IdxLayout(train, labels[0], None, None, None)


TRAIN, LABELS = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"


@pytest.mark.parametrize(
    ("paths", "says"),
    [
        (["a/1.png", "a/notes.csv", "b/2.gif"], "2 × a file that is not an image (a/notes.csv, b/2.gif)"),
        (["a/1.png", "2.png"], "1 × an image outside the folders of the classes (2.png)"),
        (
            ["train/a/1.png", "val/a/1.png"],
            "a folder train, although the folders are not exactly train and test (train, val)",
        ),
        ([TRAIN, f"{TRAIN}.gz"], f"a second file of train images ({TRAIN}.gz beside {TRAIN})"),
        ([TRAIN, "notes.csv"], "a file that is not an IDX file among IDX files (notes.csv)"),
        ([LABELS], "no file train-images-idx3-ubyte"),
        ([TRAIN, "t10k-images-idx3-ubyte", LABELS], f"labels for only one of the two splits ({LABELS})"),
        ([TRAIN, LABELS, "t10k-labels-idx1-ubyte"], "labels without images (t10k-labels-idx1-ubyte)"),
    ],
)
def test_what_belongs_to_no_form_is_named(paths: list[str], says: str) -> None:
    with pytest.raises(UserError) as raised:
        find_layout(paths, "mine")
    assert says in str(raised.value)
    assert str(raised.value).startswith("mine has ")
