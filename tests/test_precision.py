"""float32, tf32 and bfloat16."""

from types import SimpleNamespace

import pytest
import torch

from builders import tiny_images, tiny_model, tiny_params
from mnist_vae.common.precision import is_emulated, use_precision
from mnist_vae.console.stage import UserError
from mnist_vae.model.autoencoder import build_autoencoder
from mnist_vae.training.loop import Training
from mnist_vae.training.validation import mean_terms

CPU = torch.device("cpu")


def _trained(precision: str) -> Training:
    params = tiny_params(precision=precision, epochs=3, conv_channels=[4, 8, 16], batch_size=16).of_model()
    training = Training(build_autoencoder(params), tiny_images(96), tiny_images(32, seed=1), params)
    list(training.run())
    return training


def test_bfloat16_learns_as_float32_does_to_one_percent_with_weights_and_losses_in_float32() -> None:
    exact, short = _trained("float32"), _trained("bfloat16")
    assert {weight.dtype for weight in short.model.parameters()} == {torch.float32}
    assert short.terms.dtype == torch.float32
    images = tiny_images(32, seed=1)
    mine, theirs = (mean_terms(one.model, images) for one in (short, exact))
    assert mine.distortion != theirs.distortion
    torch.testing.assert_close(mine.distortion, theirs.distortion, rtol=0.01, atol=0)


@pytest.mark.parametrize("reconstruction", ["squared_error", "bernoulli"])
def test_layers_alone_compute_in_bfloat16_and_in_training_alone(reconstruction: str) -> None:
    model, seen = tiny_model(reconstruction=reconstruction).train(), {}
    model.training_context = use_precision("bfloat16", CPU)
    distortion = model.likelihood.distortion

    def watched(images: torch.Tensor, output: torch.Tensor) -> torch.Tensor:
        seen.update(loss=torch.is_autocast_enabled("cpu"), output=output.dtype)
        return distortion(images, output)

    model.likelihood = SimpleNamespace(scale=model.likelihood.scale, distortion=watched)  # pyright: ignore[reportAttributeAccessIssue]
    model.encoder.register_forward_hook(lambda *hooked: seen.update(encoded=hooked[2].dtype))
    model.decoder.register_forward_hook(lambda *hooked: seen.update(decoded=hooked[2].dtype))
    terms = model.terms(tiny_images(4), torch.zeros(4, 3))
    assert seen == {"encoded": torch.bfloat16, "decoded": torch.bfloat16, "loss": False, "output": torch.float32}
    assert {term.dtype for term in terms} == {torch.float32}
    model.eval().terms(tiny_images(4), torch.zeros(4, 3))
    assert seen["encoded"] == seen["decoded"] == torch.float32


@pytest.mark.parametrize(("name", "expected"), [("float32", "ieee"), ("tf32", "tf32"), ("bfloat16", "ieee")])
def test_products_on_a_gpu_have_the_mantissa_that_was_asked_for(name: str, expected: str) -> None:
    use_precision(name, torch.device("cuda"))
    assert torch.backends.cuda.matmul.fp32_precision == expected
    assert torch.backends.cudnn.conv.fp32_precision == expected  # pyright: ignore[reportAttributeAccessIssue]
    use_precision("float32", CPU)


def test_tf32_is_refused_where_there_is_none() -> None:
    with pytest.raises(UserError, match="precision is tf32, which cpu lacks: set precision to float32 or bfloat16"):
        use_precision("tf32", CPU)


@pytest.mark.parametrize("has_it", [True, False])
def test_bfloat16_is_emulated_by_a_processor_without_it_and_float32_by_none(
    has_it: bool,  # noqa: FBT001
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: has_it)
    assert is_emulated("bfloat16", CPU) is not has_it
    assert not is_emulated("float32", CPU)
    assert not is_emulated("bfloat16", torch.device("cuda"))
