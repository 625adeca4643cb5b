"""Parameters that must be refused."""

# For each key, values of a wrong type and values that are out of range.
WRONG = {
    "seed": [0.5, "0", True, None, [0], -1, 2**63],
    "dataset": [1, None, "MNIST", "cifar10", ""],
    "image_size": [32.0, "32", True, 8, 0, -32, 520],
    "validation_size": [100.0, 1.0, 0.0, -0.5, "many", False, 0, -1],
    "custom_data": [1, None, True, ["folder"]],
    "aspect": [1, None, "fit", "Pad"],
    "transpose": [1, 0, "true", None],
    "test_size": [100.0, 1.0, 0.0, "many", False, 0, -1],
    "network": [1, None, "Conv", "mlp9"],
    "variational": [1, 0, "true", "plain", None],
    "latent_dim": [1.5, "3", True, 0, -3, 65_537],
    "conv_channels": [2.0, None, 16, [], [2] * 21],
    "deep_channels": [32, "32, 64", "[32, 64]", None, {"first": 32}, [], [2] * 21],
    "mlp_widths": [512, "512", None, 1.5, {}, [], [2] * 21],
    "reconstruction": [True, "mse", "squared error"],
    "reduction": [0, "average", None],
    "kl_weight": ["0.5", True, None, [0.5], -0.1, float("nan"), float("inf")],
    "kl_warmup_epochs": [0.5, "1", True, None, -1],
    "free_nats": ["0.5", True, None, [0.5], -0.1, float("nan"), float("inf")],
    "epochs": [1.5, "ten", True, 0, -1],
    "batch_size": [8.0, "8", None, 0, -8],
    "learning_rate": ["0.001", True, None, 0, -0.001, float("nan"), float("inf")],
    "learning_rate_schedule": [True, 0, None, "cosine", "Linear"],
    "adam_betas": [0.5, "0.5, 0.999", None, [0.5, 0.9, 0.99], {"first": 0.5}],
    "device": [0, "gpu", "cuda:0", None],
    "threads": [1.0, "2", True, 0, -1, 100_000],
    "processes": [1.0, "2", True, None, 0, -1, 1025],
    "deterministic": [1, 0, "true", "yes", None],
    "precision": [32, True, None, "float16", "bf16"],
    "interpolation_from": [1.0, "one", True, -1, 10],
    "interpolation_to": [8.0, "8", None, -1, 10],
    "interpolation_steps": [5.0, "5", True, 1, 0, 1_000_000],
    "fitted_components": [2.0, "10", True, None, 0, -1, 1001],
}

# Changes of builders.TINY whose values are valid but do not fit together, and texts that the message must contain.
CONTRADICTIONS: list[tuple[dict, list[str]]] = [
    ({"image_size": 20}, ["image_size is 20", "conv", "multiple of 8"]),
    ({"image_size": 508}, ["image_size is 508", "conv", "multiple of 8"]),
    (
        {"network": "deep", "image_size": 28, "deep_channels": [32, 64, 128, 256, 512]},
        ["image_size is 28", "deep", "multiple of 32"],
    ),
    (
        {"network": "deep", "image_size": 28, "deep_channels": [2, 2, 2]},
        ["image_size is 28", "multiple of 8"],
    ),
    ({"network": "deep", "deep_channels": [2] * 5}, ["image_size is 16", "multiple of 32"]),
    ({"kl_weight": 0, "free_nats": 0.5}, ["free_nats is 0.5", "must be 0", "kl_weight is 0"]),
    (
        {"kl_weight": 0, "kl_warmup_epochs": 1, "epochs": 3},
        ["kl_warmup_epochs is 1", "must be 0", "kl_weight is 0"],
    ),
    ({"kl_warmup_epochs": 3, "epochs": 3}, ["kl_warmup_epochs is 3", "less than epochs, which is 3"]),
    ({"kl_warmup_epochs": 4, "epochs": 3}, ["kl_warmup_epochs is 4", "less than epochs, which is 3"]),
    # The digits have 1,437 training images.
    ({"validation_size": 1437}, ["validation_size is 1437", "leaves 0", "batch_size is 8"]),
    ({"validation_size": 5000}, ["validation_size is 5000", "leaves 0", "digits"]),
    ({"validation_size": 1430}, ["validation_size is 1430", "leaves 7", "batch_size is 8"]),
    ({"dataset": "kmnist", "validation_size": 59_999}, ["leaves 1", "kmnist"]),
    (
        {"image_size": 16, "network": "deep", "deep_channels": [2] * 4, "batch_size": 1},
        ["last batch of one image"],
    ),
    (
        {"network": "deep", "deep_channels": [2] * 4, "validation_size": 1437 - 65, "batch_size": 64},
        ["batch_size is 64", "last batch of one image", "deep"],
    ),
    (
        {"fitted_components": 1000, "validation_size": 1000},
        ["fitted_components is 1000"],
    ),
    ({"processes": 9}, ["batch_size is 8", "at least processes, which is 9"]),
    ({"processes": 2, "device": "mps"}, ["processes is 2", "must be 1", "device is mps"]),
    ({"interpolation_to": 1}, ["interpolation_to is 1", "another class"]),
    ({"interpolation_from": "two"}, ["interpolation_from is 'two'", "must be a class of digits", "from 0 to 9"]),
    ({"validation_size": 0.0001}, ["validation_size is 0.0001", "no image of digits"]),
    ({"dataset": "custom"}, ["dataset is custom", "custom_data is empty"]),
    ({"custom_data": "line\nline"}, ["custom_data is 'line\\nline'", "printable"]),
]
