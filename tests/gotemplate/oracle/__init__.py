"""What real Go makes of templates: the oracle, the cases and the goldens that it made of them."""
