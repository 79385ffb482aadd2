"""Tables beside the paper's, figures, reconstructions and the HTML page."""
