"""The reliability lane: each promise about delivery, time and resources, with its figure and its negative control."""
