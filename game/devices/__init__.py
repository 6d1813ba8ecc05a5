"""C-arm, X-ray tube, cannula, injector: what each is, as frozen values, and what a control does."""
