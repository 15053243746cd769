"""The kinds of cases: classes that implement `cnnkit.conformance.Case` and name the checks of their kind."""
