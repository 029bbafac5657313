"""The members of the family on the same ground: how each is trained and measured."""
