"""Looking into models: codes, steps, interpolation, kernels, parameters. Free of plotting."""
