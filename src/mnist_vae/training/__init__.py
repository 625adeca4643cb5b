"""The training: the loop, one step, schedules, checkpoint, fingerprint, several processes."""
