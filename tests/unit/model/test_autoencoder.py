import pytest
import torch

from builders import PLAIN, tiny_images, tiny_model, tiny_params
from mnist_vae.model.autoencoder import Autoencoder
from mnist_vae.model.likelihood import LIKELIHOODS
from mnist_vae.model.networks import NETWORKS
from tutorial import TutorialVAE


def _weights(model: Autoencoder) -> torch.Tensor:
    return torch.cat([weight.flatten() for weight in model.state_dict().values()])


@pytest.mark.parametrize("network", NETWORKS)
def test_same_seed_gives_the_same_weights_and_another_seed_others(network: str) -> None:
    first = _weights(tiny_model(network=network, seed=3))
    torch.rand(5)
    assert torch.equal(_weights(tiny_model(network=network, seed=3)), first)
    assert not torch.equal(_weights(tiny_model(network=network, seed=4)), first)


def test_weights_depend_on_no_parameter_but_the_seed_and_the_sizes() -> None:
    changes = {"kl_weight": 3.0, "learning_rate": 0.5, "epochs": 7, "reduction": "sum", "reconstruction": "bernoulli"}
    changes |= {"kl_warmup_epochs": 3, "free_nats": 0.5, "deep_channels": [9], "mlp_widths": [9]}
    assert torch.equal(_weights(tiny_model(**changes)), _weights(tiny_model()))


def test_building_leaves_torchs_own_generator_alone() -> None:
    torch.manual_seed(7)
    expected = torch.rand(4)
    torch.manual_seed(7)
    tiny_model()
    assert torch.equal(torch.rand(4), expected)


def test_without_noise_the_mean_code_is_decoded() -> None:
    model, images = tiny_model().eval(), tiny_images(6)
    twin = TutorialVAE.like(model, tiny_params()).eval()
    scaled = images / 127.5 - 1
    error = (twin.decode(twin.encode(scaled)[0]) - scaled).square().sum(dim=(1, 2, 3))
    torch.testing.assert_close(model.terms(images, noise=None).reconstruction_error, error)


def test_noise_changes_the_distortion_but_not_the_rate() -> None:
    model, images = tiny_model().eval(), tiny_images(6)
    without, sampled = model.terms(images, None), model.terms(images, torch.ones(6, 3))
    assert torch.equal(sampled.kl, without.kl)
    assert not torch.isclose(sampled.reconstruction_error, without.reconstruction_error).any()


@pytest.mark.parametrize("changes", [{"network": name} for name in NETWORKS] + [PLAIN], ids=str)
def test_terms_and_codes_of_an_image_do_not_depend_on_its_batch_in_evaluation(changes: dict) -> None:
    model, images = tiny_model(**changes).eval(), tiny_images(6)
    torch.testing.assert_close(model.terms(images[2:3], None).loss, model.terms(images, None).loss[2:3])
    torch.testing.assert_close(model.encode(images[2:3]).mean, model.encode(images).mean[2:3])


@pytest.mark.parametrize("reconstruction", LIKELIHOODS)
def test_decoded_images_are_brightness_from_0_to_1(reconstruction: str) -> None:
    model = tiny_model(reconstruction=reconstruction)
    codes = 50 * torch.randn(20, 3, generator=torch.Generator().manual_seed(0))
    decoded = model.decode(codes).detach()
    assert decoded.shape == (20, 1, 16, 16)
    assert 0 <= float(decoded.min()) < 0.5 < float(decoded.max()) <= 1


@pytest.mark.parametrize("network", NETWORKS)
def test_plain_autoencoders_encoder_gives_the_code_alone(network: str) -> None:
    images = tiny_images(4)
    model, variational = tiny_model(network=network, **PLAIN).eval(), tiny_model(network=network).eval()
    scaled = images / 127.5 - 1
    assert model.encoder(scaled).shape == (4, 3)
    assert variational.encoder(scaled).shape == (4, 6)
    torch.testing.assert_close(model.encode(images).mean, model.encoder(scaled))
    assert (model.latent.has_prior, variational.latent.has_prior) == (False, True)


def test_images_of_floats_are_refused_under_test() -> None:
    # That the shapes and types in annotations are checked at all, here and in every other test.
    with pytest.raises(Exception, match="images"):
        tiny_model().encode(tiny_images(2).float())
