"""What every detector will find, told in advance: one function a detector, from its parameters and what it may count on."""
