"""Whether drawzoo can be used on this machine, and what would make it better. Free of torch.

Each check is one line. None is stopped by what another finds: torch is tried in a process of its
own, which may die of it.
"""
