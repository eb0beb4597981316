"""Every JSON that drawzoo reads or writes, as typed structs. Free of torch."""
