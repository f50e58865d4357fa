"""What else is measured on a network: baselines, reader, curves, its inside, costs."""
