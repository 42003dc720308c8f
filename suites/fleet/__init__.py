"""How many nodes a control plane can hold, and how it handles their return all at once."""
