"""What a person sees: progress, error lines, how a stage ends. It decides no output, so no stage depends on it."""
