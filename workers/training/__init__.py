"""What flows are taught with: good pictures, and defects that are drawn into them."""
