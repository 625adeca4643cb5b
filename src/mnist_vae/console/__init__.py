"""What a person sees: progress, error lines, how a stage ends. It decides no byte, so no stage depends on it."""
