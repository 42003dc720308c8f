"""A running lab as it is now, again and again: for the page of `lab ui` and for `lab watch`."""
