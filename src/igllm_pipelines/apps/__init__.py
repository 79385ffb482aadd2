"""What people start by hand: the command line ``igllm``."""
