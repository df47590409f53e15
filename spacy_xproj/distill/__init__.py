"""Learning from teachers: losses, weights of several sources, agreement, rounds."""
