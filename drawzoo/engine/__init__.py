"""The paper: recurrence and bound, sampling, the components."""
