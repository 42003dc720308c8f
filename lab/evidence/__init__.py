"""What was seen of a lab, as data that can be written down and judged later."""
