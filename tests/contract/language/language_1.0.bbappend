# Comes after the recipe.
APPENDED:append = " and there"
