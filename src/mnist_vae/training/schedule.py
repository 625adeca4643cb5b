"""The learning rate and the weight of the KL during a training.

They depend only on the step and the epoch, so resuming does not need their history.
"""

_RISE = 0.1  # the share of a one-cycle training in which the rate rises


def scheduled_rate(learning_rate: float, schedule: str, done: int, steps: int) -> float:
    """The rate of the next step of a training of `steps` steps, when `done` of them are done.

    `linear` falls from the learning rate to 0. `one_cycle` first rises to it, linearly, in a tenth of the steps, as in
    "Super-Convergence" (Smith & Topin 2018), but faster than it falls and without their last phase.
    """
    left = 1 - done / steps
    match schedule:
        case "linear":
            return learning_rate * left
        case "one_cycle":
            return learning_rate * min((done + 1) / steps / _RISE, left / (1 - _RISE), 1.0)
        case _:
            return learning_rate


def warmup_share(epoch: int, warmup_epochs: int) -> float:
    """The factor of the KL's weight in an epoch, counted from 1. It is 0 in the first, and 1 after warmup_epochs."""
    return min(1.0, (epoch - 1) / warmup_epochs) if warmup_epochs else 1.0
