"""What results say: intervals over seeds, claims and their verdicts, what to deploy."""
