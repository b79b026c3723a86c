"""What reviewers see, as Jinja2 templates; every text is escaped unless `render` made it safe."""
