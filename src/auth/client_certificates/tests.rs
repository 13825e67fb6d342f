//! Client certificates against views.
