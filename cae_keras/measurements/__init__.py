"""What else is measured on a network: baselines, the reader, curves, looks inside, costs."""
