"""What results say: intervals over seeds, comparisons, claims and their verdicts, fronts."""
