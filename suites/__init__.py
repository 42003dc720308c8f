"""What is verified, in a running lab."""
