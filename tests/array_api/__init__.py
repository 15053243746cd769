"""data-apis' own tests of the Array API standard on `cnnkit.xp`: ``python -m array_api CHECKOUT``."""
