"""Why a row is as it is: the events behind it, found by the index of keys and folded again one by one."""
