import pytest

from mnist_vae.common.catalogue import DATASETS
from mnist_vae.common.params import DataParams

TORCHVISION = [name for name, dataset in DATASETS.items() if dataset.torchvision_class]


@pytest.mark.parametrize("name", TORCHVISION)
def test_files_and_checksums_are_those_of_torchvision(name: str) -> None:
    import torchvision.datasets

    dataset = DATASETS[name]
    assert dataset.torchvision_class is not None
    resources = getattr(torchvision.datasets, dataset.torchvision_class).resources
    assert [tuple(file) for file in dataset.files] == resources
    assert (dataset.train_size, dataset.test_size) == (60_000, 10_000)


def test_three_data_sets_come_from_torchvision_and_the_digits_do_not() -> None:
    assert TORCHVISION == ["mnist", "fashion-mnist", "kmnist"]
    assert [DATASETS[name].torchvision_class for name in TORCHVISION] == ["MNIST", "FashionMNIST", "KMNIST"]


def test_parameters_offer_just_the_known_data_sets() -> None:
    annotation = DataParams.model_fields["dataset"].annotation
    assert set(annotation.__args__) == set(DATASETS)  # pyright: ignore[reportAttributeAccessIssue, reportOptionalMemberAccess]


def test_no_two_files_share_a_checksum() -> None:
    sums = [file.md5 for dataset in DATASETS.values() for file in dataset.files]
    assert len(set(sums)) == len(sums) == 16
