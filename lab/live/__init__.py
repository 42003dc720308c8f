"""The current state of a running lab, polled for the page of `lab ui` and for `lab watch`."""
