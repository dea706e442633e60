"""The pages by which operators change what holds at the line: Inputs and Threshold."""
