"""What the tests of the loop stand on: a simulated world, and ways to break it."""
