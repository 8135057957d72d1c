"""What a good engineer would write without ShelfWise: FastAPI, pydantic, SQLAlchemy's ORM, a unit of work a request.

No tenants, no authentication, no limits, no metrics, no projections: only the job itself.
"""

from fastapi import FastAPI

from benchmarks.peers import fastapi_orders, fastapi_sales

app = FastAPI()
app.include_router(fastapi_orders.router)
app.mount("/sales", fastapi_sales.app)
