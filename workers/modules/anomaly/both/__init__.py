"""The method `both`: what two methods say of a place, added up."""
