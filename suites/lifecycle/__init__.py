"""A lab that is saved and restored, and what becomes of it when that fails."""
