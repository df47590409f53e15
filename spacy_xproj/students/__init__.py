"""Students: what their tokens are taught, the losses of training, and layers that training leaves as they are."""
