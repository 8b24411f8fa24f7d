"""What a character knows: passages of its files, found by meaning and by letter."""
