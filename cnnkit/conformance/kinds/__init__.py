"""The kinds of cases: each a class that implements `cnnkit.conformance.Case`, and names the checks of its kind."""
