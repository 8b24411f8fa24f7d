"""What tuning an adapter is made of: the mix of examples, packed rows, the loop, the proof."""
