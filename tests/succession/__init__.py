"""One server follows another: handed over, taken over, or given up."""
