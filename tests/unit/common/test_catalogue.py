import gzip
import hashlib
from pathlib import Path

import pytest

from mnist_vae.common.catalogue import CUSTOM, DATASETS
from mnist_vae.common.params import DataParams

TORCHVISION = [name for name, dataset in DATASETS.items() if dataset.torchvision_class]


@pytest.mark.parametrize("name", TORCHVISION)
def test_files_and_checksums_are_those_of_torchvision(name: str) -> None:
    import torchvision.datasets

    dataset = DATASETS[name]
    assert dataset.torchvision_class is not None
    resources = getattr(torchvision.datasets, dataset.torchvision_class).resources
    assert [(file.name, file.md5) for file in dataset.files] == resources
    assert (dataset.train_size, dataset.test_size) == (60_000, 10_000)


def test_three_data_sets_come_from_torchvision_and_the_digits_do_not() -> None:
    assert TORCHVISION == ["mnist", "fashion-mnist", "kmnist"]
    assert [DATASETS[name].torchvision_class for name in TORCHVISION] == ["MNIST", "FashionMNIST", "KMNIST"]


def test_parameters_offer_just_the_known_data_sets() -> None:
    annotation = DataParams.model_fields["dataset"].annotation
    assert set(annotation.__args__) == {*DATASETS, CUSTOM}  # pyright: ignore[reportAttributeAccessIssue, reportOptionalMemberAccess]


def test_no_two_files_share_a_checksum() -> None:
    sums = [known for dataset in DATASETS.values() for file in dataset.files for known in (file.md5, file.content_md5)]
    known = [one for one in sums if one]
    assert len(set(known)) == len(known) == 16 + 8


def test_sums_of_the_contents_are_those_of_the_real_files(mnist_mirror: Path) -> None:
    for file in DATASETS["mnist"].files:
        assert hashlib.md5(gzip.decompress((mnist_mirror / file.name).read_bytes())).hexdigest() == file.content_md5
