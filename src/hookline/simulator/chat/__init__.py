"""The page on which a person plays the customer: pick an account and somebody, write, and see the business answer."""
