"""Fitted scikit-learn estimators as torch modules; scikit-learn is imported only here."""
