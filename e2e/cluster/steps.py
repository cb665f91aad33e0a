STEPS=[]
class Ring:
    def __init__(self,*a,**k): pass
def chosen(n): return []
