"""Two arms answer the same words: who is drawn, how both are asked alike, and what becomes of it."""
